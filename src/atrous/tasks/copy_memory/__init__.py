"""Copy memory: ten digits, a long silence, and the digits again."""
