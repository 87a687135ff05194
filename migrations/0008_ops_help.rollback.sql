drop view ops.help;
