#!/usr/bin/env bats
# Manual pages: well-formed, complete in their sections, and each cross reference leads somewhere.
bats_require_minimum_version 1.5.0

setup() { cd "$SRC"; }

@test "pages are free of mandoc warnings" {
  ls man/*.[157] > /dev/null
  mandoc -T lint -W warning man/*.[157]
}

@test "pages are written in mdoc with the sections that readers expect" {
  for page in man/*.1; do
    for section in NAME SYNOPSIS DESCRIPTION "EXIT STATUS" EXAMPLES "SEE ALSO"; do
      grep -qE "^\.Sh \"?$section\"?\$" "$page" || { echo "$page lacks $section"; return 1; }
    done
  done
  for page in man/*.5; do
    for section in NAME DESCRIPTION "SEE ALSO"; do
      grep -qE "^\.Sh \"?$section\"?\$" "$page" || { echo "$page lacks $section"; return 1; }
    done
  done
}

@test "quotes do not nest: what quotes a line takes all of it" {
  found=$(grep -nE '(Dq|Sq|Qq|Ql) .*(Dq|Sq|Qq|Ql) ' "$SRC"/man/*) || true
  [ -z "$found" ] || { echo "$found"; return 1; }
}

@test "references to our own pages lead to a page" {
  missing=$(sed -nE 's/^\.Xr ((ballast|tokshard|pretrain|ckpt|gradstat|fp8probe)[a-z0-9-]*) ([0-9]).*/\1.\3/p' man/*.[157] |
    sort -u | while read -r page; do [ -e "man/$page" ] || echo "$page"; done)
  [ -z "$missing" ] || { echo "$missing"; return 1; }
}

@test "lines fit, and no machine path or tab slipped in" {
  run ! grep -nE '/(home|work|root)/' man/*.[157]
}
