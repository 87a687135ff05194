-- transcriptions: what was said, with the time of each word.

-- name: put
-- The transcript of an analysis. A second one replaces the first.
-- $1 analysis_id uuid, $2 transcript jsonb
insert into transcriptions (
    request_id, provider, model, text_content, language, confidence_score, words, segments, gaps, metadata)
select $1, provider, model, text, language, confidence, words, segments, gaps, jsonb_build_object('no_speech', no_speech)
from jsonb_to_record($2) as transcript (
    provider text, model text, text text, language text, confidence float8, words jsonb, segments jsonb, gaps jsonb,
    no_speech boolean)
on conflict (request_id) do update
   set provider = excluded.provider, model = excluded.model, text_content = excluded.text_content,
       language = excluded.language, confidence_score = excluded.confidence_score, words = excluded.words,
       segments = excluded.segments, gaps = excluded.gaps, metadata = excluded.metadata, created_at = now();

-- name: get
-- The transcript of an analysis.
-- $1 analysis_id uuid
select text_content as text, provider, model, language, confidence_score as confidence, words, segments, gaps,
       coalesce((metadata ->> 'no_speech')::boolean, false) as no_speech
from transcriptions
where request_id = $1;

-- name: exists
-- Whether the analysis has a transcript, without reading it.
-- $1 analysis_id uuid
select exists (select from transcriptions where request_id = $1);
