"""The templates of the pages."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from heartbeat_api.build import build_id

_environment = Environment(
    loader=PackageLoader("heartbeat_api"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def render(template: str, **context: object) -> str:
    """The HTML of a page; what the template needs and nobody gave is an error.

    What is no Unicode text, as a cut's JSON may hold it, becomes "?".
    """
    page = _environment.get_template(template).render(build=build_id(), **context)
    return page.encode(errors="replace").decode()
