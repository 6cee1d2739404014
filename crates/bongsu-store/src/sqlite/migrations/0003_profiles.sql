-- A user's names by language, open to any language: a JSON object from language tag to name.
ALTER TABLE users ADD COLUMN nick TEXT NOT NULL DEFAULT '{}';
-- A merge patch leaves out what is null.
UPDATE users SET nick = json_patch('{}', json_object('en', nick_en, 'ja', nick_ja, 'ko', nick_ko));
ALTER TABLE users DROP COLUMN nick_en;
ALTER TABLE users DROP COLUMN nick_ko;
ALTER TABLE users DROP COLUMN nick_ja;
-- Clients that see no numbers name users by this.
CREATE UNIQUE INDEX users_by_public_token ON users (public_token);
