# Begins as root, which reads the password and gives the volume away, and goes on as the user postgres.
set -eu
as_postgres() { setpriv --reuid=999 --regid=999 --clear-groups "$@"; }
[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
mkdir -p "$PGDATA"
chown -R 999 /var/lib/postgresql
chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  chown 999 /tmp/password
  as_postgres initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  if [ "$POSTGRES_DB" != postgres ]; then
    echo "create database \"$POSTGRES_DB\"" | as_postgres postgres --single -j -D "$PGDATA" postgres >/dev/null
  fi
fi
shift
unset POSTGRES_PASSWORD
exec setpriv --reuid=999 --regid=999 --clear-groups postgres -D "$PGDATA" -c listen_addresses='*' \
  -c unix_socket_directories=/run/postgresql "$@"
