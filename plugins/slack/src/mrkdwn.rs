//! Slack's markup: what has a meaning in it, and how a text has none.
//!
//! Owns escaping and lengths. A length is one of the text as it is sent: an entity counts with all of its letters.

/// How long a text is for Slack, as the strictest of the ways to count does.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A text without meaning to Slack, of at most so many characters; what is cut off shows as `…`.
pub fn escaped(text: &str, most: usize) -> String {
    let mut whole = String::new();
    let mut used = 0;
    // Where the text ends if it has to be cut: there is room for the sign of it.
    let mut cut = 0;
    for c in text.chars() {
        let mut buffer = [0; 4];
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            // Two in a row could become the three that begin or end a block of code.
            '`' if whole.ends_with('`') => "\u{200b}`",
            c => c.encode_utf8(&mut buffer),
        };
        used += length(piece);
        if used > most {
            whole.truncate(cut);
            whole.push('…');
            return whole;
        }
        whole.push_str(piece);
        if used < most {
            cut = whole.len();
        }
    }
    whole
}

/// A name as code in a line. Empty ones show as `-`: Slack would show the quotes.
pub fn name(text: &str, most: usize) -> String {
    let text = text.replace('`', "'");
    format!("`{}`", if text.trim().is_empty() { "-".to_owned() } else { escaped(&text, most) })
}

/// A block of code, which its text cannot end, of at most so many characters with all that belongs to it.
pub fn code(text: &str, most: usize) -> String {
    format!("```\n{}\n```", escaped(text, most.saturating_sub(8)))
}

/// A link. The address has been checked; the text is escaped here.
pub fn link(address: &str, text: &str, most: usize) -> String {
    let text = text.replace('|', "/");
    let address = address.replace('&', "&amp;");
    format!("<{address}|{}>", escaped(&text, most))
}

/// Whether these are Slack's words for someone, a group, a channel or all who are there.
pub fn is_mention(words: &str) -> bool {
    let Some(inner) = words.strip_prefix('<').and_then(|words| words.strip_suffix('>')) else { return false };
    let is_id = |id: &str, first: &str| {
        id.len() > 2
            && id.len() < 30
            && id.starts_with(|c| first.contains(c))
            && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    if let Some(id) = inner.strip_prefix('@') {
        return is_id(id, "UW");
    }
    if let Some(id) = inner.strip_prefix("!subteam^") {
        return is_id(id, "S");
    }
    if let Some(id) = inner.strip_prefix('#') {
        return is_id(id, "CG");
    }
    matches!(inner, "!here" | "!channel" | "!everyone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        assert_eq!(escaped("a < b && <!channel>", 100), "a &lt; b &amp;&amp; &lt;!channel&gt;");
        assert_eq!(name("a`b\u{3c}", 100), "`a'b&lt;`");
        assert_eq!(name(" ", 100), "`-`");
        assert_eq!(code("a```b", 100), "```\na`\u{200b}`\u{200b}`b\n```");
        assert_eq!(link("http://a/?b&c", "x|y>", 100), "<http://a/?b&amp;c|x/y&gt;>");
    }

    #[test]
    fn no_entity_is_cut_in_two() {
        assert_eq!(escaped("abc", 3), "abc");
        assert_eq!(escaped("abcd", 3), "ab…");
        assert_eq!(escaped("a&b", 7), "a&amp;b");
        for most in 2..7 {
            assert_eq!(escaped("a&b", most), "a…", "{most}");
        }
        assert_eq!(escaped("😀😀", 3), "😀…");
        assert_eq!(escaped("😀😀", 2), "…");
    }

    #[test]
    fn mentions_are_slacks_own_words() {
        for words in ["<@U12AB>", "<@W1234>", "<!subteam^S0AB12>", "<#C01AB>", "<!here>", "<!channel>"] {
            assert!(is_mention(words), "{words}");
        }
        for words in
            ["@here", "<@u12ab>", "<!subteam^U1234>", "<http://a|b>", "<@U1|x>", "", "<>", "<@U12> <@U34>"]
        {
            assert!(!is_mention(words), "{words}");
        }
    }
}
