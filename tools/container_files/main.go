// Command container-files reads a Dockerfile, a .dockerignore and a Compose file with the code of those who define
// them: BuildKit, moby's pattern matcher and compose-go. It answers with JSON; no Docker engine is needed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

const usage = `usage: container-files image [--target STAGE] [--build-arg NAME=VALUE]… DOCKERFILE
       container-files context FOLDER
       container-files compose [--env-file FILE]… [--profile NAME]… COMPOSE_FILE`

// Several is a flag that may be given more than once.
type several []string

func (s *several) String() string { return strings.Join(*s, ",") }

func (s *several) Set(value string) error {
	*s = append(*s, value)
	return nil
}

func main() {
	answer, err := answered(context.Background(), os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answered(ctx context.Context, arguments []string) (any, error) {
	if len(arguments) < 2 {
		return nil, fmt.Errorf(usage)
	}
	flags := flag.NewFlagSet(arguments[0], flag.ExitOnError)
	target := flags.String("target", "", "")
	var buildArgs, envFiles, profiles several
	flags.Var(&buildArgs, "build-arg", "")
	flags.Var(&envFiles, "env-file", "")
	flags.Var(&profiles, "profile", "")
	if err := flags.Parse(arguments[1:]); err != nil {
		return nil, err
	}
	switch arguments[0] {
	case "image":
		return image(ctx, flags.Arg(0), *target, buildArgs)
	case "context":
		return contextFiles(flags.Arg(0))
	case "compose":
		return project(ctx, flags.Arg(0), envFiles, profiles)
	}
	return nil, fmt.Errorf(usage)
}
