#!/bin/sh
# Builds the shop, then the shop with each of the commits on top, in a folder that is removed
# afterwards; and shows that the last commit fails a customer whom no test knows.
# Needs git, node and python3:   examples/check.sh
set -eu

examples=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

order() {
  python3 -B - "$1" <<'PYTHON'
import json, sys
sys.path.insert(0, "lambda")
from shop.api import Api
from shop.orders import Orders

class Table:
    def put_item(self, Item): pass

body = json.dumps({"customer": sys.argv[1], "lines": [{"item": "sencha", "quantity": 1}]})
api = Api(environment="dev", banner="", version="", orders=Orders(Table()))
try:
    print(api.handle({"routeKey": "POST /orders", "body": body})["statusCode"])
except Exception as error:
    print(type(error).__name__)
PYTHON
}

expect() {
  answer=$(order "$1")
  if [ "$answer" != "$2" ]; then
    echo "an order of $1 gets $answer instead of $2" >&2
    exit 1
  fi
}

build() {
  echo "== $1"
  npm test --silent
  npx cdk synth --quiet --no-validation
  expect Ada 201
}

mkdir "$work/shop"
(cd "$examples/shop" && tar cf - --exclude node_modules --exclude cdk.out .) | (cd "$work/shop" && tar xf -)
cd "$work/shop"
# Outside a repository, git apply would skip files without a word when run below one.
git init --quiet
npm ci

build "the shop"
expect Zoë 201

git apply "$examples"/commits/0001-*.patch
build "a better shop"
expect Zoë 201

git apply "$examples"/commits/0002-*.patch
build "a shop that fails customers"
expect Zoë UnicodeEncodeError

echo "== all three build, and the last one fails Zoë"
