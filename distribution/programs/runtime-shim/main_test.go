package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const process = `{"args":["sh"],"oomScoreAdj":-999,
 "capabilities":{"bounding":["CAP_SYS_ADMIN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]},
 "rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1048576},{"type":"RLIMIT_CORE","hard":5,"soft":5}]}`

func TestRewriteRestrictsABundle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"ociVersion":"1.0.2","process":`+process+`}`), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(file, true); err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(file)
	text := string(content)
	if strings.Contains(text, lacking) || strings.Contains(text, "-999") || !strings.Contains(text, "CAP_SYS_ADMIN") || !strings.Contains(text, `"ociVersion":"1.0.2"`) {
		t.Errorf("not restricted, or more than that: %s", text)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, was 0640", info.Mode())
	}
}

func TestRestrictKeepsToTheHardLimit(t *testing.T) {
	var p map[string]any
	decoder := json.NewDecoder(strings.NewReader(process))
	decoder.UseNumber()
	if err := decoder.Decode(&p); err != nil {
		t.Fatal(err)
	}
	limits := func(name string) (uint64, bool) { return 4096, name == "RLIMIT_NOFILE" }
	if err := restrict(p, limits); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(p["rlimits"])
	want := `[{"hard":4096,"soft":4096,"type":"RLIMIT_NOFILE"},{"hard":5,"soft":5,"type":"RLIMIT_CORE"}]`
	if string(got) != want {
		t.Errorf("limits are %s, want %s", got, want)
	}
}

func TestSpecification(t *testing.T) {
	for _, c := range []struct {
		args   string
		file   string
		nested bool
	}{
		{"--root /r create --bundle /b --pid-file /p id", "/b/config.json", true},
		{"run -b=/b id", "/b/config.json", true},
		{"create id", "config.json", true},
		{"--log /l exec --process /p.json --detach id", "/p.json", false},
		{"kill id 9", "", false},
	} {
		if file, nested := specification(strings.Fields(c.args)); file != c.file || nested != c.nested {
			t.Errorf("%s: %q %v, want %q %v", c.args, file, nested, c.file, c.nested)
		}
	}
}
