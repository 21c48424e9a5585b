"""`python -m grafana`: write the dashboards, and the chart's copies of them and of the rules."""

from grafana.files import present, wanted


def main() -> None:
    """Write all files anew."""
    files = wanted()
    for path in present() - files.keys():
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
