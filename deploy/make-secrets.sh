#!/bin/sh
# Makes what is missing of the secrets that docker-compose.yml mounts: a file each, in ./secrets.
# A file that is there is never changed, so it can be run again: after a new source, for a new operator.
#
#   sh deploy/make-secrets.sh [OPERATOR ...]     OPERATOR: who may write, such as dana@company.example
set -eu
umask 077
cd "$(dirname "$0")/.."
folder=${HEARTBEAT_SECRETS:-secrets}
content=${HEARTBEAT_CONTENT:-.}
user=10001 # of the image

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

missing() { [ ! -e "$folder/$1" ]; }

# written beside it first, so that a script that was interrupted leaves no half of a secret
put() {
  printf '%s' "$2" >"$folder/.$1.new"
  mv "$folder/.$1.new" "$folder/$1"
  echo "made $folder/$1"
}

mkdir -p "$folder"
chmod 0700 "$folder"

# a server that was set up with the password of .env keeps it
if missing marts_password; then
  earlier=
  [ ! -e .env ] || earlier=$(sed -n 's/^MARTS_PASSWORD=//p' .env | tail -n 1 | sed "s/^[\"']\(.*\)[\"']\$/\1/")
  put marts_password "${earlier:-$(random)}"
fi
if missing database_url; then
  put database_url "postgresql://heartbeat:$(cat "$folder/marts_password")@marts:5432/marts"
fi
for role in ingest compute reader api operator dagster; do
  if missing "${role}_password"; then put "${role}_password" "$(random)"; fi
done
if missing dagster_token; then put dagster_token "$(random)"; fi

if missing operator_tokens && [ $# -eq 0 ]; then set -- operator; fi
for name in "$@"; do
  if missing operator_tokens; then
    put operator_tokens "$name=$(random)"
    echo "$name may write, with the token that is in it; nobody else may"
  elif ! grep -qE "(^|,) *$(printf '%s' "$name" | sed 's/[][\.*^$+?(){}|]/\\&/g')=" "$folder/operator_tokens"; then
    chmod u+w "$folder/operator_tokens"
    printf ', %s=%s' "$name" "$(random)" >>"$folder/operator_tokens"
    echo "$name is an operator now: the token is in $folder/operator_tokens"
  fi
done

if missing proxy_users; then put proxy_users ""; fi
sed -n 's/^connection_env:[[:space:]]*\([A-Z][A-Z0-9_]*\).*/\1/p' "$content"/sources/*.yaml | tr 'A-Z' 'a-z' | sort |
  while read -r name; do
    if missing "$name"; then put "$name" ""; fi
    [ -s "$folder/$name" ] || echo "$folder/$name is empty: write the source's address into it, postgresql://user:password@host:5432/database"
  done

# The user of the containers must be able to read them. Only root can give them to it; for anyone else
# it is the folder that keeps others out.
for file in "$folder"/*; do
  if [ "$(id -u)" -ne 0 ]; then
    chmod 0444 "$file"
  elif [ "${file##*/}" = proxy_users ]; then
    chown 0:0 "$file" && chmod 0600 "$file" # the proxy is root without rights
  else
    chown "$user:$user" "$file" && chmod 0600 "$file"
  fi
done
