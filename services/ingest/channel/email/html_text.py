"""HTML to the text a person reads: block by block, links' words kept, nothing invisible; bounded in time and memory.

Lexbor's parse time is quadratic in depth, so long or deep documents lose their tags by a linear scan instead.
"""

import html
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_HTML = 256_000
MAX_DEPTH = 800
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
_PARAGRAPHS = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table", "pre", "dl"])
_CELLS = frozenset({"td", "th"})
_SILENT = frozenset(
    ["script", "style", "head", "template", "noscript", "meta", "link", "object", "svg", "math", "select", "iframe"]
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_HISTORY = frozenset(
    [
        "gmail_quote",
        "yahoo_quoted",
        "protonmail_quote",
        "moz-cite-prefix",
        "isReplyContent",
        "ms-outlook-mobile-reference-message",
        "mail-editor-reference-message-container",
        "zmail_extra",
    ]
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]{0,30})[^<>]{0,4000}>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_SILENT_SPAN = re.compile(r"<(script|style|head|template)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_MANY_LINES = re.compile(r"\n{3,}")


def text_of_html(markup: str, *, has_quotes: bool = True) -> str:
    """Return the readable text of an HTML document or fragment; plain text passes through unescaped only.

    Without quotes, the elements mail clients put history into become one line ">", so that a reader sees where it was.
    """
    if "<" not in markup:
        return html.unescape(markup).strip()
    if len(markup) > MAX_HTML or _is_deep(markup):
        return _tidy(_without_tags(markup[: 2 * MAX_HTML]))
    return _tidy(_rendered(LexborHTMLParser(markup), has_quotes))


def _is_deep(markup: str) -> bool:
    """Return whether more elements stand open at once than a mail written by a person or a tool ever has."""
    depth = 0
    for match in _TAG.finditer(markup):
        if match[1]:
            depth = max(0, depth - 1)
        elif match[2].lower() not in _VOID and not match[0].endswith("/>"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
    return markup.count("<") > 60_000


def _without_tags(markup: str) -> str:
    spoken = _SILENT_SPAN.sub(" ", _COMMENT.sub("", markup))
    with_breaks = _TAG.sub(lambda m: "\n" if m[2].lower() in _BLOCKS or m[2].lower() == "br" else "", spoken)
    return html.unescape(with_breaks)


def _rendered(parser: LexborHTMLParser, has_quotes: bool) -> str:
    """Walk the tree with an explicit stack; block tags break lines, table cells are set apart by a tab.

    Inside `pre`, however deep, the lines are as the sender set them.
    """
    root = parser.body or parser.root
    if root is None:
        return ""
    pieces: list[str] = []
    stack: list[tuple[LexborNode | None, str, bool]] = [(root, "", False)]
    while stack:
        node, closing, is_set = stack.pop()
        if node is None:
            pieces.append(closing)
            continue
        tag = node.tag or ""
        if tag == "-text":
            pieces.append(_words(node, is_set))
        elif tag == "br":
            pieces.append("\n")
        elif not has_quotes and _is_history(node, tag):
            pieces.append("\n\n>\n\n")
        elif tag not in _SILENT and not tag.startswith(("-", "_", "!")):
            opening, closing = _breaks(tag)
            pieces.append(opening)
            is_set = is_set or tag == "pre"
            stack.append((None, closing, is_set))
            stack.extend((child, "", is_set) for child in reversed(list(node.iter(include_text=True))))
    return "".join(pieces)


def _is_history(node: LexborNode, tag: str) -> bool:
    if tag not in ("blockquote", "div"):
        return False
    attributes = node.attributes
    if tag == "blockquote" and (attributes.get("type") or "").lower() == "cite":
        return True
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}".split()
    return any(name in _HISTORY for name in names)


def _words(node: LexborNode, is_set: bool) -> str:
    text = node.text_content or ""
    return text if is_set else _SPACE.sub(" ", text)


def _breaks(tag: str) -> tuple[str, str]:
    if tag in _PARAGRAPHS:
        return "\n\n", "\n\n"
    if tag in _BLOCKS:
        return "\x01", "\x01"
    if tag in _CELLS:
        return "", "\t"
    return "", ""


def _tidy(text: str) -> str:
    """Collapse soft breaks (\\x01: at most one line break however many blocks meet) and spaces around breaks."""
    lines: list[str] = []
    for line in re.sub(r"\x01(?:[ \t]*\x01)*", "\x01", text).replace("\x01", "\n\x01").split("\n"):
        is_soft = line.startswith("\x01")
        cleaned = line.replace("\x01", "").replace("\u00a0", " ").replace("\u200b", "").strip(" \t\r")
        if is_soft and lines and lines[-1] == "":
            lines[-1] = cleaned
        else:
            lines.append(cleaned)
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip()
