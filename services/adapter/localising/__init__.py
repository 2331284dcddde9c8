"""Text rules that several platforms share: plain text, articles, word lists, fitting."""
