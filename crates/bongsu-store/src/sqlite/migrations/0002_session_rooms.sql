-- The rooms whose memberships end with the member's last session are few among many, and looked for again and again.
CREATE INDEX session_rooms ON rooms (id) WHERE membership = 'session';
