"""Writes a bundle and puts it where a server looks: warm-up requests, index sizes, changed items, push."""
