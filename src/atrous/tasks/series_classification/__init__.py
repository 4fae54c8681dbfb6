"""Series classification: one class a series, of files of the UCR/UEA archive."""
