"""The demo: look-alikes of both systems, the console and a worker, configured and synchronising on this machine."""
