"""A report to text, HTML, Markdown, JSON and SARIF. Nothing here knows a check or cause by name."""
