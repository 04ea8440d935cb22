"""Leaves a socket and a directory open as descriptors 7 and 8, and becomes another program."""

import os
import socket
import sys

port, directory = int(sys.argv[1]), sys.argv[2]
connection = socket.create_connection(("127.0.0.1", port))
connection.recv(64)
os.dup2(connection.fileno(), 7)
os.dup2(os.open(directory, os.O_RDONLY), 8)
os.execv(sys.argv[3], sys.argv[3:])
