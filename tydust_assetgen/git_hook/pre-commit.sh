#!/bin/sh
# The music of a commit must be what its manifest and lock file say: `assetgen check --staged`, and what was here before.
# `assetgen hook install` puts this file in place, `assetgen hook uninstall` takes it away. `git commit --no-verify`
# goes past it. It needs no program on the PATH but git, which puts itself there: a GUI may start it with next to none.
noted_assetgen=''
noted_python=''

before=${0%/*}/pre-commit.before-assetgen
if [ -x "$before" ]; then
  "$before" "$@" || exit
fi

judge() { # 126 and 127 are the shell's own words for: there is no such program, or it does not start
  "$@" check --staged
  code=$?
  [ "$code" -eq 126 ] || [ "$code" -eq 127 ] || exit "$code"
}

[ -n "$noted_assetgen" ] && [ -x "$noted_assetgen" ] && judge "$noted_assetgen"
command -v assetgen >/dev/null 2>&1 && judge assetgen
for python in "$noted_python" python3 python; do
  if [ -n "$python" ] && "$python" -c 'import tydust_assetgen' >/dev/null 2>&1; then
    judge "$python" -m tydust_assetgen
  fi
done

[ -n "$(git ls-files -- ':(top,glob)**/assets.toml')" ] || exit 0 # no music here: other hooks' matter
printf '%s\n' \
  "error: the hook of assetgen can't find assetgen, so nobody has judged the music of this commit" \
  "  hint: install assetgen, or run \`assetgen hook install\` where it is: the hook then notes its place" \
  "  hint: \`git commit --no-verify\` commits without it" >&2
exit 1
