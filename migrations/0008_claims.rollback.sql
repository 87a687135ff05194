drop function take_turn, complete_jobs, claim_jobs, lane_room;
drop type lane_floor;
