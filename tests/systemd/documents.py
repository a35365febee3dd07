# SPDX-License-Identifier: PostgreSQL
"""The examples of the documents, word for word: who follows them types what
stands there, and a test that types anything else proves nothing about them."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "docs")


def read(page):
    with open(os.path.join(DOCS, page)) as f:
        return f.read()


def blocks(page):
    """[(heading, language, text)] of all fenced blocks."""
    found, heading, inside, lines = [], "", None, []
    for line in read(page).splitlines():
        if inside is None and line.startswith("#"):
            heading = line.lstrip("# ")
        elif inside is None and line.startswith("```"):
            inside, lines = line[3:], []
        elif line == "```":
            found.append((heading, inside, "\n".join(lines) + "\n"))
            inside = None
        elif inside is not None:
            lines.append(line)
    return found


def block(page, heading, language, having=""):
    """The one block of that language below that heading with that word."""
    found = [text for h, lang, text in blocks(page)
             if h == heading and lang == language and having in text]
    assert len(found) == 1, f"{page}, {heading}: {len(found)} such blocks"
    return found[0]


def phrase(page, pattern):
    """What the group of `pattern` matches in the page's text, wherever its
    lines are broken."""
    text = re.sub(r"\s+", " ", read(page))
    found = re.search(pattern, text)
    assert found, f"{page} does not say {pattern}"
    return found[1]
