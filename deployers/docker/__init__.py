"""Services in containers of a Docker engine, wherever it runs. The home of docker and paramiko."""
