package main

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// contextFiles names the files of a build context that its .dockerignore lets through.
func contextFiles(folder string) ([]string, error) {
	ignored, err := os.Open(filepath.Join(folder, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	defer ignored.Close()
	patterns, err := ignorefile.ReadAll(ignored)
	if err != nil {
		return nil, err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	return letThrough(folder, matcher)
}

func letThrough(folder string, matcher *patternmatcher.PatternMatcher) ([]string, error) {
	files := []string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || entry.IsDir() {
			// Nothing below a hidden folder or an environment is ever let through; walking it takes seconds.
			if name != "." && (name[0] == '.' || entry.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		if err == nil && !ignored {
			files = append(files, name)
		}
		return err
	})
	return files, err
}
