-- Other resources that the client may exchange tokens for (JSON); none for none.
ALTER TABLE clients ADD COLUMN exchanges_for TEXT COLLATE "C";
CREATE INDEX clients_that_exchange ON clients (id) WHERE exchanges_for IS NOT NULL;
