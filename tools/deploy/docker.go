package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// offline resolves base images without contacting a registry.
type offline struct{}

// ResolveImageConfig implements [llb.ImageMetaResolver].
func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"}})
	return ref, digest.FromBytes(config), config, err
}

// dockerfile runs the checks of "docker build --check".
func dockerfile(ctx context.Context, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	root := llb.Scratch()
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	var all error
	_, err = dockerfile2llb.Dockerfile2LLB(ctx, text, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{TargetPlatforms: []ocispecs.Platform{platform}, BuildPlatforms: []ocispecs.Platform{platform}},
		MainContext:    &root,
		TargetPlatform: &platform,
		MetaResolver:   offline{},
		AllStages:      true,
		Warn: func(rule, _, _, said string, at []parser.Range) {
			all = errors.Join(all, fmt.Errorf("line %d: %s: %s", line(at), rule, said))
		},
	})
	return "no warning from BuildKit", errors.Join(all, err)
}

func line(at []parser.Range) int {
	if len(at) == 0 {
		return 0
	}
	return at[0].Start.Line
}

// composeFile loads the file as "docker compose config" does, with the schema
// of the specification and with all references between parts.
func composeFile(ctx context.Context, path string) (string, error) {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	if err != nil {
		return "", err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return "", err
	}
	var all error
	for _, s := range project.Services {
		if s.Name == "postgres" || s.Name == "redis" {
			continue // an image of another project
		}
		if !s.ReadOnly || len(s.CapDrop) == 0 || len(s.SecurityOpt) == 0 {
			all = errors.Join(all, fmt.Errorf("service %s has rights that it does not need", s.Name))
		}
		for name, value := range s.Environment {
			if value == nil {
				all = errors.Join(all, fmt.Errorf("service %s takes %s from the shell that starts it", s.Name, name))
			}
		}
	}
	return fmt.Sprintf("%d services, %d secrets", len(project.Services), len(project.Secrets)), all
}
