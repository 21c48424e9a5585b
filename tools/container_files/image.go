package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// baseImage stands for every image that a registry would tell of: what debian's own images say. Without a layer BuildKit
// would take it for an empty one.
const baseImage = `{
	"os": "linux",
	"architecture": "amd64",
	"rootfs": {"type": "layers", "diff_ids": ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
	"config": {"Cmd": ["bash"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
}`

type noRegistry struct{}

func (noRegistry) ResolveImageConfig(
	_ context.Context, ref string, _ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(baseImage), nil
}

// step is one operation that BuildKit would carry out, by the digest by which others name it.
type step struct {
	Digest string          `json:"digest"`
	Op     json.RawMessage `json:"op"`
}

type built struct {
	Image    any      `json:"image"`
	Steps    []step   `json:"steps"`
	Warnings []string `json:"warnings"`
}

// image says what BuildKit would do to build a target, in order, the configuration of the image, and the findings of
// `docker build --check`.
func image(ctx context.Context, path, target string, buildArgs []string) (*built, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	warnings, err := findings(ctx, text)
	if err != nil {
		return nil, err
	}
	converted, err := dockerfile2llb.Dockerfile2LLB(ctx, text, options(target, buildArgs))
	if err != nil {
		return nil, err
	}
	steps, err := steps(ctx, converted.State)
	return &built{Image: converted.Image, Steps: steps, Warnings: warnings}, err
}

func options(target string, buildArgs []string) dockerfile2llb.ConvertOpt {
	named := map[string]string{}
	for _, argument := range buildArgs {
		name, value, _ := strings.Cut(argument, "=")
		named[name] = value
	}
	return dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{Target: target, BuildArgs: named},
		TargetPlatform: &platform,
		MetaResolver:   noRegistry{},
	}
}

func findings(ctx context.Context, text []byte) ([]string, error) {
	lintOptions := options("", nil)
	lintOptions.SourceMap = llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	lintOptions.SourceMap.Definition = &llb.Definition{} // where the text came from, of which nobody asks
	results, err := dockerfile2llb.DockerfileLint(ctx, text, lintOptions)
	found := []string{}
	if err != nil {
		return found, err
	}
	for _, warning := range results.Warnings {
		found = append(found, warning.RuleName+": "+warning.Detail)
	}
	if results.Error != nil {
		found = append(found, results.Error.Message)
	}
	return found, nil
}

func steps(ctx context.Context, state llb.State) ([]step, error) {
	definition, err := state.Marshal(ctx, llb.Platform(platform))
	if err != nil {
		return nil, err
	}
	found := []step{}
	for _, raw := range definition.Def {
		var op pb.Op
		if err := proto.Unmarshal(raw, &op); err != nil {
			return nil, err
		}
		text, err := protojson.Marshal(&op)
		if err != nil {
			return nil, err
		}
		found = append(found, step{Digest: digest.FromBytes(raw).String(), Op: text})
	}
	return found, nil
}
