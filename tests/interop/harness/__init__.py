"""Real SIP clients, scripted peers and the edge itself, as processes and sockets that a test drives."""
