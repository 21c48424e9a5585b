package main

import (
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

// project loads a Compose file as `docker compose` does: checked against the specification's schema, variables
// and extends resolved, services of other profiles left out. Only the given files set variables, not the environment.
func project(ctx context.Context, file string, envFiles, profiles []string) (any, error) {
	options, err := cli.NewProjectOptions(
		[]string{file},
		cli.WithWorkingDirectory(filepath.Dir(file)),
		cli.WithEnvFiles(envFiles...),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...),
		cli.WithName("previews"),
	)
	if err != nil {
		return nil, err
	}
	loaded, err := options.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	text, err := loaded.MarshalJSON()
	return json.RawMessage(text), err
}
