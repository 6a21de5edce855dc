select * from {{ ref('passing_too') }} union all select id from {{ source('raw', 'tracks') }}
