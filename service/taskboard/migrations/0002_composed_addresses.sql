-- Addresses were stored as they were typed; since, they are composed (NFC) before they are stored or looked for.
-- Of several that compose to one, the account that has it keeps it, else the oldest gets it. The others stay as they
-- are: who owns them cannot be told from here, and an account that cannot be signed in to loses nothing of its data.
UPDATE accounts SET email = normalize(email, NFC)
WHERE id IN (
    SELECT DISTINCT ON (lower(normalize(email, NFC))) id FROM accounts
    ORDER BY lower(normalize(email, NFC)), email IS NFC NORMALIZED DESC, created_at, id
) AND email IS NOT NFC NORMALIZED;
