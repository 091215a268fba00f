"""Files: one format a module. Everything here stands on the public API; other packages are imported where used."""
