"""The process: its life, its wire, its options and its command line."""
