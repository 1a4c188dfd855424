"""The comment section: the script for a blog's pages, the same without JavaScript, feeds, and the author's own page."""
