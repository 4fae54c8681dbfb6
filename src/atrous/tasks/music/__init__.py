"""Music: which keys sound in the next step of a piano roll."""
