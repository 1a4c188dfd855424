"""What the demo blog shows: its articles, templates and static files. ``api.demo`` serves them."""
