"""Records turned into what people and scripts read. Derives, formats, never measures."""
