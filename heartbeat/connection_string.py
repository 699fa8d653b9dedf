"""Where a database is, in each way that libpq understands: a URL, or `key=value` pairs.

Several hosts, sockets, IPv6 and service files among it.
"""

import os
import re
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_PORTS = re.compile(r"\d*(,\d*)*")
_SHORTEST_SECRET = 4


def is_usable(connection_string: str) -> bool:
    """Whether libpq understands it as it was meant; else its error would quote the password.

    A `/` or `@` of a password that is not percent-encoded moves the rest into host, port or name.
    """
    try:
        said = conninfo_to_dict(connection_string)
    except psycopg.ProgrammingError:
        return False
    named = f"{said.get('host', '')}{said.get('dbname', '')}"
    ports = str(said.get("port", ""))
    zero = {str(int(port)) for port in ports.split(",") if port.isdecimal()} & {"0"}
    return bool(said) and "@" not in named and bool(_PORTS.fullmatch(ports)) and not zero


def database_name(connection_string: str) -> str | None:
    """The database that the string itself names; None where libpq finds it elsewhere."""
    name = conninfo_to_dict(connection_string).get("dbname")
    return str(name) if name else None


def of_database(connection_string: str, name: str) -> str:
    """The same server, another database."""
    return make_conninfo(connection_string, dbname=name)


def for_command_line(connection_string: str) -> tuple[str, dict[str, str]]:
    """What may stand on a command line, and variables for the password, which may not.

    Every user of the machine reads the command lines of all.
    """
    parameters = {name: str(value) for name, value in conninfo_to_dict(connection_string).items()}
    password = parameters.pop("password", None)
    return make_conninfo(**parameters), {"PGPASSWORD": password} if password else {}


def logged_in_as(connection_string: str, user: str, password: str | None) -> str:
    """The same database for another user.

    Without a password libpq looks where it usually does, and a server that trusts asks for none.
    """
    said = conninfo_to_dict(connection_string)
    given = {"user": user, "password": password} if password else {"user": user}
    if "options" not in said and "service" not in said:
        # a server refuses a login for a setting of PGOPTIONS that a superuser alone may change
        given["options"] = ""
    return make_conninfo(without_login(connection_string), **given)


def names_a_login(connection_string: str) -> bool:
    """Whether the string, a service file or libpq's environment says who logs in."""
    said = conninfo_to_dict(connection_string)
    return "user" in said or "service" in said or "PGUSER" in os.environ


def without_login(connection_string: str) -> str:
    """Where the database is, without who logs in."""
    said = conninfo_to_dict(connection_string)
    place = {name: str(each) for name, each in said.items() if name not in {"user", "password"}}
    return make_conninfo(**place)


def sqlalchemy_url(connection_string: str, **options: str) -> str:
    """The same for SQLAlchemy with psycopg2; `options` are settings of the session."""
    escaped = {name: value.replace(" ", r"\ ") for name, value in options.items()}
    settings = " ".join(f"-c {name}={value}" for name, value in escaped.items())
    # by any other way SQLAlchemy takes several hosts, sockets and services apart and together again
    query = urlencode({"dsn": connection_string, "options": settings})
    return f"postgresql+psycopg2://?{query}"


def without_password(message: str, connection_string: str) -> str:
    """A message in one line that does not tell the password.

    libpq's own never do; whoever stands between may. A password of three letters or less is no
    secret but a part of many words.
    """
    line = " ".join(message.split())
    password = str(conninfo_to_dict(connection_string).get("password") or "")
    if len(password) < _SHORTEST_SECRET:
        return line
    return re.sub(rf"(?<!\w){re.escape(password)}(?!\w)", "***", line)
