"""``python -m serving.server``."""

from serving.server.command import main
from serving.server.server import Server

if __name__ == "__main__":
    main(obj=Server)
