"""The page of results: running one benchmark leaves the figures of the others alone."""

from bench.page import with_section

PAGE = """# Results

## engine

Fast.

| a | b |
|---|---|

## queues

### Kill

Nothing lost.
"""


def test_a_benchmark_replaces_its_own_section_and_no_other() -> None:
    assert with_section(PAGE, "engine", "Faster.") == (
        "# Results\n\n## engine\n\nFaster.\n\n## queues\n\n### Kill\n\nNothing lost.\n"
    )


def test_a_new_section_stands_in_the_order_of_the_page() -> None:
    page = with_section(PAGE, "target queue", "Flat.")
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## engine", "## target queue", "## queues"]


def test_the_same_text_again_changes_nothing() -> None:
    page = with_section(PAGE, "queues", "### Kill\n\nNothing lost.\n")
    assert page == PAGE


def test_a_page_begins_with_its_title() -> None:
    assert with_section("", "engine", "Fast.") == "# Results\n\n## engine\n\nFast.\n"
