"""Campaign files: YAML, Markdown and media, read and checked as a whole."""
