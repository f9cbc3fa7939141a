//! What a name looks like, so that one that is made to look like another is found out.

use doorward_types::is_invisible;

/// Whether a name looks like a known one, or has it for a part.
pub(crate) fn looks_like(name: &str, known: &str) -> bool {
    let long = known.len() >= 6;
    let known = skeleton(known);
    let words: Vec<String> = name.split(|c: char| !c.is_alphanumeric() && !is_invisible(c)).map(skeleton).collect();
    let whole = skeleton(name);
    // A short name is a part of too many words.
    if whole == known || words.contains(&known) || (long && whole.contains(&known)) {
        return true;
    }
    (1..words.len()).any(|at| words[at - 1..=at].concat() == known)
}

/// What a name looks like: letters that are drawn alike become one letter, and all that is no letter or digit falls away.
///
/// Source: UTS #39 section 4, for the letters that can be mistaken for basic Latin ones.
pub(crate) fn skeleton(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        match basic(c) {
            Some(c) => out.push(c),
            None => out.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()).map(|c| basic(c).unwrap_or(c))),
        }
    }
    // Pairs that look like one letter.
    out.replace("rn", "m").replace("vv", "w").replace("cl", "d")
}

/// The basic letter that a character looks like.
fn basic(c: char) -> Option<char> {
    let code = u32::from(c);
    let letter = |offset: u32| char::from_u32(u32::from('a') + offset % 26);
    let folded = match code {
        // Full-width forms.
        0xff21..=0xff3a => letter(code - 0xff21)?,
        0xff41..=0xff5a => letter(code - 0xff41)?,
        0xff10..=0xff19 => char::from_u32(code - 0xff10 + 0x30)?,
        // Mathematical letters and digits: 52 letters per style, then ten digits.
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 52)?,
        0x1d7ce..=0x1d7ff => char::from_u32((code - 0x1d7ce) % 10 + 0x30)?,
        // Letters in circles, squares and brackets, and regional indicators.
        0x24b6..=0x24cf => letter(code - 0x24b6)?,
        0x24d0..=0x24e9 => letter(code - 0x24d0)?,
        0x249c..=0x24b5 => letter(code - 0x249c)?,
        0x1f130..=0x1f149 => letter(code - 0x1f130)?,
        0x1f150..=0x1f169 => letter(code - 0x1f150)?,
        0x1f170..=0x1f189 => letter(code - 0x1f170)?,
        0x1f1e6..=0x1f1ff => letter(code - 0x1f1e6)?,
        _ => c.to_ascii_lowercase(),
    };
    Some(match folded {
        '0' | 'о' | 'О' | 'ο' | 'Ο' | 'օ' | 'Օ' | 'ѳ' | 'θ' | 'ø' | 'Ø' => 'o',
        '1' | 'i' | 'l' | '|' | 'і' | 'І' | 'ї' | 'Ї' | 'ӏ' | 'Ӏ' | 'ι' | 'Ι' | 'ı' | 'İ' | 'ł' | 'Ł' | 'ɩ' | 'ⅼ'
        | 'ⅰ' => 'l',
        '3' | 'з' | 'З' | 'э' | 'ε' | 'Ε' | 'е' | 'Е' | 'ё' | 'Ё' | 'є' | 'Є' | 'ɛ' | 'ҽ' => 'e',
        '4' | 'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'ⲁ' => 'a',
        '5' | 'ѕ' | 'Ѕ' | '$' => 's',
        '6' | 'б' | 'ь' | 'Ь' | 'в' | 'В' | 'β' | 'Β' => 'b',
        'с' | 'С' | 'ϲ' | 'Ϲ' | 'ⅽ' | '¢' | 'ⲥ' => 'c',
        'ԁ' | 'ⅾ' | 'đ' | 'Đ' => 'd',
        'ց' | 'ɡ' | '9' => 'g',
        'һ' | 'Һ' | 'н' | 'Н' | 'Η' | 'հ' => 'h',
        'ј' | 'Ј' | 'ϳ' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'м' | 'М' | 'Μ' | 'ⅿ' => 'm',
        'п' | 'η' | 'ո' | 'Ν' => 'n',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' | 'զ' => 'q',
        'г' | 'ᴦ' => 'r',
        'т' | 'Т' | 'τ' | 'Τ' | '7' => 't',
        'υ' | 'ս' | 'μ' | 'ц' => 'u',
        'ѵ' | 'Ѵ' | 'ν' | 'ⅴ' => 'v',
        'ш' | 'ԝ' | 'Ԝ' | 'ω' | 'ѡ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' | 'ⅹ' => 'x',
        'у' | 'У' | 'ү' | 'Ү' | 'γ' | 'Υ' => 'y',
        '2' | 'Ζ' => 'z',
        other if other.is_ascii_alphanumeric() => other,
        // Latin letters with marks: what they are without.
        'à'..='å' | 'À'..='Å' | 'ā' | 'Ā' | 'ă' | 'Ă' | 'ą' | 'Ą' => 'a',
        'ç' | 'Ç' | 'ć' | 'Ć' | 'ĉ' | 'ċ' | 'č' | 'Č' => 'c',
        'ď' | 'Ď' => 'd',
        'è'..='ë' | 'È'..='Ë' | 'ē' | 'Ē' | 'ĕ' | 'ė' | 'ę' | 'Ę' | 'ě' | 'Ě' => 'e',
        'ĝ' | 'ğ' | 'Ğ' | 'ġ' | 'ģ' => 'g',
        'ì'..='ï' | 'Ì'..='Ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'Ñ' | 'ń' | 'Ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'Ò'..='Ö' | 'ō' | 'Ō' | 'ŏ' | 'ő' | 'Ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' | 'Ř' => 'r',
        'ś' | 'Ś' | 'ŝ' | 'ş' | 'Ş' | 'š' | 'Š' => 's',
        'ţ' | 'ť' | 'Ť' | 'ț' => 't',
        'ù'..='ü' | 'Ù'..='Ü' | 'ũ' | 'ū' | 'Ū' | 'ŭ' | 'ů' | 'Ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' | 'Ý' => 'y',
        'ź' | 'Ź' | 'ż' | 'Ż' | 'ž' | 'Ž' => 'z',
        _ => return None,
    })
}
