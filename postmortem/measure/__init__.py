"""Values to named numbers with unit and basis. Nothing here knows a threshold or opens a file."""
