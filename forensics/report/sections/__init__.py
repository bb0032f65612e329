"""One file a section of the report; each turns the case into strings for the template of its name."""
