select a.id from {{ ref('with_schema') }} a join {{ ref('passing_too') }} p on p.id = a.id where a.id < 0
