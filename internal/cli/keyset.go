package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halosync/halosync/internal/config"
	"github.com/halosync/halosync/internal/plaintext"
	"github.com/halosync/halosync/internal/secret"
	"github.com/halosync/halosync/internal/setup"
	"github.com/halosync/halosync/repo"
)

func (a *app) keysetCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "keyset", Short: "Manage the keys that encrypt credentials",
		Example: "  (umask 077; enqueue keyset new > keyset.txt)",
	}
	group.AddCommand(&cobra.Command{
		Use: "new", Short: "Print a new key set for HALOSYNC_KEYSET", Args: cobra.NoArgs,
		Long:    "new prints a new key set. A key set decrypts every stored credential, so protect it as you would a password.",
		Example: "  (umask 077; enqueue keyset new > keyset.txt)\n  export HALOSYNC_KEYSET_FILE=keyset.txt",
		RunE: a.do(func(context.Context, []string) error {
			text, err := secret.New()
			if err != nil {
				return err
			}
			return a.printKeyset(text)
		}),
	}, a.keysetRotate(), a.keysetStatus(), a.keysetPrune())
	return group
}

// printKeyset prints a key set. No copy of it is stored, so a key set that was not shown
// does not exist.
func (a *app) printKeyset(text string) error {
	if err := a.Out.CanShow(); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, text)
	return a.Out.Close()
}

func (a *app) keysetRotate() *cobra.Command {
	var reseal, stage bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Print the key set with a new primary key", Args: cobra.NoArgs,
		Long: `rotate prints HALOSYNC_KEYSET with a new primary key, which encrypts from now on. The
old keys stay in the set and still decrypt. Give the new set to every worker and CLI.
A worker with the new set re-encrypts the stored credentials of all tenants by itself;
"rotate --reseal" does so at once, and "keyset status" shows the progress. A worker
without the new set postpones runs whose credentials it cannot decrypt.

To avoid postponed runs, rotate in two steps. First, "rotate --stage" prints the set
with a new key that only decrypts. Give this set to every worker. Then "rotate" prints
the set with the staged key as the primary key.`,
		Example: "  (umask 077; enqueue keyset rotate > keyset-2.txt)\n  HALOSYNC_KEYSET_FILE=keyset-2.txt enqueue keyset rotate --reseal\n  (umask 077; enqueue keyset rotate --stage > keyset-2.txt)",
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
			return a.printKeyset(text)
		}),
	}
	cmd.Flags().BoolVar(&reseal, "reseal", false, "re-encrypt all stored credentials with the primary key now")
	cmd.Flags().BoolVar(&stage, "stage", false, "add a key that only decrypts until the next rotation")
	cmd.MarkFlagsMutuallyExclusive("reseal", "stage")
	return cmd
}

// keyView is the JSON record of a key.
type keyView struct {
	KeyID       *uint32     `json:"key_id"` // nil for credentials in an unknown format
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
		Use: "status", Short: "List the keys and the number of credentials that each encrypts", Args: cobra.NoArgs,
		Long: `status lists the keys of HALOSYNC_KEYSET, oldest first, and how many stored
credentials of all tenants each encrypts. Roles: the "primary" key encrypts and decrypts,
an older key "reads", and a newer "staged" key does not encrypt yet. A "missing" key is
not in the set; "unreadable" credentials are in an unknown format. Both need a
person's attention (exit code 3).`,
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
					return &needsPersonError{fmt.Sprintf("this key set cannot decrypt %d of the stored credentials", lost)}
				}
				return nil
			})
		}),
	}
}

func (a *app) keysetPrune() *cobra.Command {
	return &cobra.Command{
		Use: "prune", Short: "Print the key set without unused keys", Args: cobra.NoArgs,
		Long: `prune prints HALOSYNC_KEYSET without its older keys. It fails (exit code 1) if a stored
credential is encrypted with one of them, or with a key that is not in the set. Before
you prune, give every worker and CLI the set with the current primary key: without it,
they may still encrypt with an old key. Keep the old set as long as you keep backups of
the database.`,
		Example: "  enqueue keyset status\n  (umask 077; enqueue keyset prune > keyset-3.txt)",
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
				if err := a.printKeyset(text); err != nil {
					return err
				}
				fmt.Fprintf(a.Err, "%s removed\n", plaintext.Plural(len(gone), "key", "keys"))
				return nil
			})
		}),
	}
}

// needed returns an error if credentials need a key that prune would remove or that is
// not in the set.
func needed(uses []repo.KeyUse) error {
	var why []error
	for _, u := range uses {
		switch {
		case u.Secrets == 0:
		case u.Role == secret.Reads:
			why = append(why, fmt.Errorf("key %d still encrypts %s: wait until a worker has re-encrypted everything, or run \"enqueue keyset rotate --reseal\"", u.ID, plaintext.Plural(u.Secrets, "credential", "credentials")))
		case u.Role == repo.KeyMissing:
			why = append(why, fmt.Errorf("%s encrypted with key %d, which is not in this set: check whether there is a newer set", plaintext.Plural(u.Secrets, "credential is", "credentials are"), u.ID))
		}
	}
	return errors.Join(why...)
}

// withKeys calls f with the store and with the key set from the environment.
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
	// resealBatch is the number of credentials that one transaction re-encrypts.
	resealBatch = 100
	// maxNamed is the maximum number of unreadable credentials that an error lists.
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
		fmt.Fprintf(a.Err, "%s re-encrypted\n", plaintext.Plural(total, "credential", "credentials"))
		if total > 0 {
			if err := store.AddSecurityEvents(ctx, repo.SecurityEvent{
				Kind: repo.SecurityKeysetRotated, Outcome: repo.SecuritySucceeded, Actor: a.actor(), Detail: fmt.Sprintf("credentials sealed with the primary key: %d", total),
			}); err != nil {
				return err
			}
		}
		if stuck > 0 {
			return fmt.Errorf("%s left unchanged because decryption failed: %s", plaintext.Plural(stuck, "credential was", "credentials were"), strings.Join(named, "; "))
		}
		return nil
	})
}
