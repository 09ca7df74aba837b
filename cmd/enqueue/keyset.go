package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/repo"
)

func (a *app) keysetCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "keyset", Short: "The keys that seal credentials",
		Example: "  enqueue keyset new > keyset.txt",
	}
	group.AddCommand(&cobra.Command{
		Use: "new", Short: "Print a new key set for HALOSYNC_KEYSET", Args: cobra.NoArgs,
		Long:    "new prints a new key set. Whoever has it can open every stored credential: keep it where secrets are kept.",
		Example: "  (umask 077; enqueue keyset new > keyset.txt)\n  export HALOSYNC_KEYSET_FILE=keyset.txt",
		RunE: a.do(func(context.Context, []string) error {
			text, err := secret.New()
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, text)
			return nil
		}),
	}, a.keysetRotate())
	return group
}

func (a *app) keysetRotate() *cobra.Command {
	var reseal bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Print the key set with a new key added, or seal everything anew", Args: cobra.NoArgs,
		Long: `rotate prints HALOSYNC_KEYSET with a new key in front; the old keys stay in it for
reading. Give the result to every worker, then run "rotate --reseal", which
seals all stored credentials (of every tenant) with the new key.`,
		Example: "  enqueue keyset rotate > keyset-2.txt\n  HALOSYNC_KEYSET_FILE=keyset-2.txt enqueue keyset rotate --reseal",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if reseal {
				return a.reseal(ctx)
			}
			cfg, err := config.Load(a.getenv, config.Keyset)
			if err != nil {
				return err
			}
			text, err := secret.Rotate(cfg.Keyset.Reveal())
			if err != nil {
				return usagef("HALOSYNC_KEYSET: %v", err)
			}
			fmt.Fprintln(a.Out, text)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&reseal, "reseal", false, "seal all stored credentials with the key set's newest key")
	return cmd
}

// resealBatch is how many credentials share a transaction.
const resealBatch = 100

func (a *app) reseal(ctx context.Context) error {
	cfg, err := config.Load(a.getenv, needHalo...)
	if err != nil {
		return err
	}
	keys, err := keysOf(cfg)
	if err != nil {
		return err
	}
	store, err := repo.Open(ctx, repo.Options{URL: cfg.DatabaseURL.Reveal(), Keys: keys, MaxConns: 2})
	if err != nil {
		return err
	}
	defer store.Close()
	total := 0
	for {
		n, err := store.ResealSecrets(ctx, resealBatch)
		total += n
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintf(a.Err, "%d credentials sealed anew\n", total)
			return nil
		}
	}
}
