"""HTML as a type of its own: text is escaped wherever it meets a tag; markup stays as it is."""

from html import escape


class Html(str):
    """Markup that is safe to write as it stands; `tag` makes it."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | int | bool) -> Html:
    """Builds an element.

    Args:
        name: of the element.
        children: `Html` as it is; any other text is escaped.
        attributes: escaped; of a name ``class_`` or ``for_`` the last underscore is dropped, others become hyphens;
            True writes the name alone, False nothing.
    """
    written = "".join(_render_attribute(key, value) for key, value in attributes.items())
    inner = "".join(child if isinstance(child, Html) else escape(child) for child in children)
    return Html(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{inner}</{name}>")


def join_html(*parts: str) -> Html:
    """Concatenates text and markup; text is escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


_VOID = ("img", "meta", "link", "br", "hr")


def _render_attribute(key: str, value: str | int | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name}="{escape(str(value))}"'
