"""What leaves the house: the HTTP client that only reaches vetted addresses, webhook signatures, publishers, retry rules."""
