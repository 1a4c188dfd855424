"""What goes in and out over HTTP, one noun per file; unknown fields are refused on the way in."""
