package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/setup"
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
	}, a.keysetRotate(), a.keysetStatus(), a.keysetPrune())
	return group
}

func (a *app) keysetRotate() *cobra.Command {
	var reseal, stage bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Print the key set with another key that seals", Args: cobra.NoArgs,
		Long: `rotate prints HALOSYNC_KEYSET with a new key that seals; the old keys stay in it
for reading. Give the result to every worker and CLI: workers that have it seal
all stored credentials (of every tenant) anew by themselves, which "keyset status"
shows; "rotate --reseal" does it at once. Until all workers have it, those that
do not put runs off for those that do.

In two steps no run is put off: "rotate --stage" prints the set with a new key
that only reads. Give that to every worker, then "rotate" prints the set in which
the staged key seals.`,
		Example: "  enqueue keyset rotate > keyset-2.txt\n  HALOSYNC_KEYSET_FILE=keyset-2.txt enqueue keyset rotate --reseal\n  enqueue keyset rotate --stage > keyset-2.txt",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if reseal {
				return a.reseal(ctx)
			}
			cfg, err := config.Load(a.getenv, config.Keyset)
			if err != nil {
				return err
			}
			change := secret.Rotate
			if stage {
				change = secret.Stage
			}
			text, err := change(cfg.Keyset.Reveal())
			if err != nil {
				return usagef("HALOSYNC_KEYSET: %v", err)
			}
			fmt.Fprintln(a.Out, text)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&reseal, "reseal", false, "seal all stored credentials with the key set's primary key, now")
	cmd.Flags().BoolVar(&stage, "stage", false, "the new key only reads, until the next rotate")
	cmd.MarkFlagsMutuallyExclusive("reseal", "stage")
	return cmd
}

// keyView is a key as the CLI prints it.
type keyView struct {
	KeyID       *uint32     `json:"key_id"` // null for what is in no form of ours
	Role        secret.Role `json:"role"`
	Credentials int         `json:"credentials"`
}

var keyColumns = []column[keyView]{
	{title: "key_id", value: func(k keyView) string {
		if k.KeyID == nil {
			return ""
		}
		return strconv.FormatUint(uint64(*k.KeyID), 10)
	}},
	{title: "role", value: func(k keyView) string { return string(k.Role) }},
	{title: "credentials", value: func(k keyView) string { return strconv.Itoa(k.Credentials) }},
}

func (a *app) keysetStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "The keys, and how many credentials each seals", Args: cobra.NoArgs,
		Long: `status lists the keys of HALOSYNC_KEYSET, the oldest first, and how many stored
credentials (of all tenants) each seals. Roles: "primary" seals and reads, "reads"
is an older key, "staged" a newer one that only reads yet. "missing" is a key that
is not in the set, "unreadable" is what no key has sealed: both need a person
(exit code 3).`,
		Example: "  enqueue keyset status\n  enqueue keyset status -o json",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.withKeys(ctx, func(store *repo.Store, _ config.Config) error {
				uses, err := store.KeyUses(ctx)
				if err != nil {
					return err
				}
				views, lost := make([]keyView, len(uses)), 0
				for i, u := range uses {
					views[i] = keyView{&u.ID, u.Role, u.Secrets}
					if u.Role == repo.KeyUnreadable {
						views[i].KeyID = nil
					}
					if u.Role == repo.KeyUnreadable || u.Role == repo.KeyMissing {
						lost += u.Secrets
					}
				}
				if err := list(a, views, keyColumns); err != nil {
					return err
				}
				if lost > 0 {
					return &needsPersonError{fmt.Sprintf("this key set does not open %d of the stored credentials", lost)}
				}
				return nil
			})
		}),
	}
}

func (a *app) keysetPrune() *cobra.Command {
	return &cobra.Command{
		Use: "prune", Short: "Print the key set without the keys that nothing needs any more", Args: cobra.NoArgs,
		Long: `prune prints HALOSYNC_KEYSET without its older keys. It refuses (exit code 1) if a
stored credential is sealed with one of them, or with a key that is not in the set.
Every worker and CLI must have the set with the present primary key by then: one
that has not may seal with an old key at any moment. Keep the old set as long as
backups of the database.`,
		Example: "  enqueue keyset status\n  enqueue keyset prune > keyset-3.txt",
		RunE: a.do(func(ctx context.Context, _ []string) error {
			return a.withKeys(ctx, func(store *repo.Store, cfg config.Config) error {
				uses, err := store.KeyUses(ctx)
				if err != nil {
					return err
				}
				if err := needed(uses); err != nil {
					return err
				}
				text, gone, err := secret.Prune(cfg.Keyset.Reveal())
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Err, "%d keys taken out\n", len(gone))
				fmt.Fprintln(a.Out, text)
				return nil
			})
		}),
	}
}

// needed says which credentials would be lost with a set that is pruned.
func needed(uses []repo.KeyUse) error {
	var why []error
	for _, u := range uses {
		switch {
		case u.Secrets == 0:
		case u.Role == secret.Reads:
			why = append(why, fmt.Errorf("key %d seals %d credentials still: a worker seals them anew, or \"enqueue keyset rotate --reseal\"", u.ID, u.Secrets))
		case u.Role == repo.KeyMissing:
			why = append(why, fmt.Errorf("%d credentials are sealed with key %d, which is not in this set: is there a newer one?", u.Secrets, u.ID))
		}
	}
	return errors.Join(why...)
}

// withKeys opens the store of all tenants with the environment's key set.
func (a *app) withKeys(ctx context.Context, f func(*repo.Store, config.Config) error) (err error) {
	set, err := setup.Read(a.getenv, needHalo...)
	if err != nil {
		return err
	}
	opened, err := setup.Open(ctx, set, setup.Options{Version: a.version, MaxConns: maxConns})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return f(opened.Store, set.Config)
}

const (
	// resealBatch is how many credentials share a transaction.
	resealBatch = 100
	// maxNamed is how many credentials that do not open are named.
	maxNamed = 20
)

func (a *app) reseal(ctx context.Context) error {
	return a.withKeys(ctx, func(store *repo.Store, _ config.Config) error {
		var pass repo.Resealed
		total, stuck, named := 0, 0, []string{}
		for !pass.Done {
			var err error
			if pass, err = store.ResealSecrets(ctx, pass.Next, resealBatch); err != nil {
				return err
			}
			total += pass.Sealed
			stuck += len(pass.Stuck)
			for _, s := range pass.Stuck[:min(len(pass.Stuck), maxNamed-len(named))] {
				named = append(named, s.String())
			}
		}
		fmt.Fprintf(a.Err, "%d credentials sealed anew\n", total)
		if stuck > 0 {
			return fmt.Errorf("%d credentials do not open and stay as they are: %s", stuck, strings.Join(named, "; "))
		}
		return nil
	})
}
