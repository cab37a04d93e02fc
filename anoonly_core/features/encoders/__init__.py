"""Encoders: what turns a picture or a text into features."""
